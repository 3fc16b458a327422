"""What the world sees: authentication, SOAP (rpc/encoded and document/literal), and HTTP."""
