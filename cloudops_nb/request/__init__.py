"""From a prompt to a private request and back: resolve, build, gate, send, bind."""
