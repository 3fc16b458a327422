#!/bin/sh
echo "fetched and run"
