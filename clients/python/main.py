"""Plays the scenario of all clients against a running Points server: main.py [HOST:PORT]"""

import os
import sys

from client import dial
from scenario import play_scenario

if __name__ == "__main__":
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"
    client = dial(address, os.environ.get("POINTS_TOKEN"))
    with client.channel:
        play_scenario(client)
