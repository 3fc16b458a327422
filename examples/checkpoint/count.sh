#!/bin/sh
# Counts to $1 in steps of a second, and can be moved: on SIGUSR1 it writes its state and ends with
# 85, "checkpointed, run me again".
step=$(cat count.state 2>/dev/null || echo 0)
trap 'asked=yes' USR1
while [ "$step" -lt "$1" ]; do
    sleep 1 & wait $!
    step=$((step + 1))
    grms-job progress $((100 * step / $1))
    if [ "$asked" = yes ]; then
        echo "$step" >count.new && mv count.new count.state
        exit 85
    fi
done
echo "counted to $step" >result
