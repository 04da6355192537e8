"""Where the ad server meets the network: sockets, connections, heads of requests."""
