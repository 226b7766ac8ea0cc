"""moto as the tests need it: `serve PORT` is the server, `door PORT TARGET` leads to it and can be killed without
what the server keeps, which is in its memory, and `client PORT` asks it by AWS's own library, a line of JSON for
each request."""

import base64
import json
import socket
import sys
import threading


def serve(port):
    from moto.server import main

    # The line that says that it runs goes where the others are.
    sys.stderr = sys.stdout
    main(["-H", "127.0.0.1", "-p", port])


def door(port, target):
    def carry(one, other):
        try:
            while read := one.recv(65536):
                other.sendall(read)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    # A port that was in use a moment ago can be used again, as servers do it.
    listener = socket.create_server(("127.0.0.1", int(port)), backlog=128)
    print("ready", flush=True)
    while True:
        client, _ = listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", int(target)))
        except OSError:
            client.close()
            continue
        for ends in ((client, server), (server, client)):
            threading.Thread(target=carry, args=ends, daemon=True).start()


def client(port):
    import boto3
    from botocore.config import Config
    from botocore.exceptions import ClientError

    clients = {}
    for line in sys.stdin:
        asked = json.loads(line)
        key = tuple(asked["key"])
        service = asked["service"]
        if (service, key) not in clients:
            clients[service, key] = boto3.client(
                service,
                endpoint_url=f"http://127.0.0.1:{port}",
                region_name=asked["region"],
                aws_access_key_id=key[0],
                aws_secret_access_key=key[1],
                aws_session_token=key[2] or None,
                config=Config(retries={"total_max_attempts": 1}),
            )
        parameters = asked["parameters"]
        if "SecretBinary" in parameters:
            parameters["SecretBinary"] = base64.b64decode(parameters["SecretBinary"])
        try:
            told = {"answer": getattr(clients[service, key], asked["operation"])(**parameters)}
        except ClientError as error:
            told = {"code": error.response["Error"]["Code"]}
        plain = lambda it: base64.b64encode(it).decode() if isinstance(it, bytes) else str(it)
        print(json.dumps(told, default=plain), flush=True)


{"serve": serve, "door": door, "client": client}[sys.argv[1]](*sys.argv[2:])
