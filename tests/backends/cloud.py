"""Stand-ins for two services that no registry has a server of: `azure PORT FOLDER` for Azure Key Vault with Microsoft
Entra, `google PORT FOLDER` for Google Secret Manager with Google's issuer. Written after their documentation; as far
as the plugins use them, and no further. FOLDER/clients.json has who may do what, made at the first start; what they keep
is in FOLDER/state.json and survives them."""

import base64
import json
import os
import re
import secrets
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Refused(Exception):
    """A status, and the body that goes with it."""


class Service:
    # What a client may do: everything; everything, with tokens of one second; reading; nothing.
    ROLES = ["all", "brief", "read", "none"]

    def __init__(self, folder):
        self.lock = threading.Lock()
        self.file = os.path.join(folder, "state.json")
        clients = os.path.join(folder, "clients.json")
        if not os.path.exists(clients):
            with open(clients, "w") as file:
                json.dump({role: self.client(role) for role in self.ROLES}, file)
        with open(clients) as file:
            self.clients = json.load(file)
        self.state = {"secrets": {}, "deleted": {}, "recovering": [], "tokens": {}}
        if os.path.exists(self.file):
            with open(self.file) as file:
                self.state = json.load(file)

    def save(self):
        with open(self.file + ".new", "w") as file:
            json.dump(self.state, file)
        os.replace(self.file + ".new", self.file)

    def token(self, role):
        lifetime = 1 if role == "brief" else 3600
        token = secrets.token_urlsafe(40)
        self.state["tokens"][token] = {"role": role, "until": time.time() + lifetime}
        return {"token_type": "Bearer", "expires_in": lifetime, "access_token": token}

    def role(self, authorization):
        """The role of whoever asks, or nothing."""
        scheme, _, token = (authorization or "").partition(" ")
        known = self.state["tokens"].get(token)
        if scheme != "Bearer" or not known or known["until"] < time.time():
            return None
        return known["role"]


class Azure(Service):
    @staticmethod
    def client(role):
        return {"secret": secrets.token_urlsafe(30)}

    @staticmethod
    def refused(status, code, inner=None):
        error = {"code": code, "message": "by the stand-in"}
        if inner:
            error["innererror"] = {"code": inner}
        return Refused(status, {"error": error})

    def answer(self, method, path, query, authorization, body, host):
        if path == "/tenant/oauth2/v2.0/token" and method == "POST":
            return self.login(parse_qs(body.decode()))
        role = self.role(authorization)
        if role is None:
            raise self.refused(401, "Unauthorized")
        if role == "none" or (role == "read" and method != "GET"):
            raise self.refused(403, "Forbidden", "ForbiddenByRbac")
        if query.get("api-version") != ["7.4"]:
            raise self.refused(400, "BadParameter")
        match method, path.split("/")[1:]:
            case "GET", ["secrets"]:
                return self.listed(query, host)
            case "GET", ["secrets", name, *version]:
                return self.get(name, version, host)
            case "PUT", ["secrets", name]:
                return self.put(name, json.loads(body), host)
            case "DELETE", ["secrets", name]:
                return self.delete(name, host)
            case "GET", ["deletedsecrets", name]:
                kept = self.find("deleted", name)
                return self.shown(kept, kept["versions"][-1], host, False)
            case "POST", ["deletedsecrets", name, "recover"]:
                return self.recover(name, host)
        raise self.refused(400, "BadParameter")

    def login(self, form):
        one = lambda name: form.get(name, [""])[0]
        client = self.clients.get(one("client_id"))
        if one("grant_type") != "client_credentials" or one("scope") != "https://vault.azure.net/.default":
            raise Refused(400, {"error": "invalid_scope"})
        if client is None or client["secret"] != one("client_secret"):
            raise Refused(401, {"error": "invalid_client"})
        return self.token(one("client_id"))

    def find(self, where, name):
        if not re.fullmatch("[0-9a-zA-Z-]{1,127}", name):
            raise self.refused(400, "BadParameter")
        kept = self.state[where].get(name.lower())
        if kept is None:
            raise self.refused(404, "SecretNotFound")
        return kept

    @staticmethod
    def shown(kept, version, host, valued):
        shown = {
            "id": f"http://{host}/secrets/{kept['name']}/{version['id']}",
            "attributes": {"enabled": version["enabled"], "recoveryLevel": "Recoverable"},
            "tags": version["tags"],
        }
        if version["contentType"]:
            shown["contentType"] = version["contentType"]
        if valued:
            shown["value"] = version["value"]
        return shown

    def get(self, name, version, host):
        kept = self.find("secrets", name)
        wanted = version[0] if version else kept["versions"][-1]["id"]
        found = [it for it in kept["versions"] if it["id"] == wanted]
        if not found:
            raise self.refused(404, "SecretNotFound")
        if not found[0]["enabled"]:
            raise self.refused(403, "Forbidden", "SecretDisabled")
        return self.shown(kept, found[0], host, True)

    def put(self, name, body, host):
        try:
            kept = self.find("secrets", name)
        except Refused as refused:
            if refused.args[0] != 404:
                raise
            if name.lower() in self.state["deleted"]:
                raise self.refused(409, "Conflict", "ObjectIsDeletedButRecoverable")
            kept = {"name": name, "versions": []}
        if name.lower() in self.state["recovering"]:
            self.state["recovering"].remove(name.lower())
            raise self.refused(409, "Conflict", "ObjectIsBeingRecovered")
        value = body["value"]
        if not value or len(value.encode()) > 25 * 1024:
            raise self.refused(400, "BadParameter")
        version = {
            "id": secrets.token_hex(16),
            "value": value,
            "contentType": body.get("contentType"),
            "tags": body.get("tags", {}),
            "enabled": body.get("attributes", {}).get("enabled", True),
        }
        kept["versions"].append(version)
        self.state["secrets"][name.lower()] = kept
        return self.shown(kept, version, host, True)

    def delete(self, name, host):
        kept = self.find("secrets", name)
        self.state["deleted"][name.lower()] = self.state["secrets"].pop(name.lower())
        return self.shown(kept, kept["versions"][-1], host, False)

    def recover(self, name, host):
        kept = self.find("deleted", name)
        self.state["secrets"][name.lower()] = self.state["deleted"].pop(name.lower())
        # It takes a while: the next that wants to write comes too early.
        self.state["recovering"].append(name.lower())
        return self.shown(kept, kept["versions"][-1], host, False)

    def listed(self, query, host):
        size = int(query.get("maxresults", ["25"])[0])
        if not 1 <= size <= 25:
            raise self.refused(400, "BadParameter")
        start = int(query.get("$skiptoken", ["0"])[0])
        names = sorted(self.state["secrets"])
        items = []
        for name in names[start : start + size]:
            kept = self.state["secrets"][name]
            item = self.shown(kept, kept["versions"][-1], host, False)
            item["id"] = item["id"].rpartition("/")[0]
            items.append(item)
        more = start + size < len(names)
        following = f"http://{host}/secrets?api-version=7.4&$skiptoken={start + size}&maxresults={size}"
        return {"value": items, "nextLink": following if more else None}


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class Google(Service):
    BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    SCOPE = "https://www.googleapis.com/auth/cloud-platform"

    @staticmethod
    def client(role):
        """The key of a service account, as Google gives it out, and its public half."""
        from cryptography.hazmat.primitives.asymmetric import rsa
        from cryptography.hazmat.primitives.serialization import (
            Encoding,
            NoEncryption,
            PrivateFormat,
            PublicFormat,
        )

        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        account = {"type": "service_account", "client_email": role, "private_key": private.decode()}
        return {"account": account, "public": public.decode()}

    @staticmethod
    def refused(status, word, message="by the stand-in"):
        return Refused(status, {"error": {"code": status, "status": word, "message": message}})

    def answer(self, method, path, query, authorization, body, host):
        if path == "/token" and method == "POST":
            return self.login(parse_qs(body.decode()), host)
        role = self.role(authorization)
        if role is None:
            raise self.refused(401, "UNAUTHENTICATED")
        if role == "none" or (role == "read" and not path.endswith(":access")):
            raise self.refused(403, "PERMISSION_DENIED", "Permission denied on resource")
        match method, path.split("/")[1:]:
            case _, ["v1", "projects", project, *_] if project != "my-project":
                raise self.refused(403, "PERMISSION_DENIED", "Permission denied on resource project")
            case "GET", [_, _, _, "secrets"]:
                return self.listed(query)
            case "POST", [_, _, _, "secrets"]:
                return self.create(query, json.loads(body))
            case "POST", [_, _, _, "secrets", verb] if verb.endswith(":addVersion"):
                return self.add(verb.removesuffix(":addVersion"), json.loads(body))
            case "DELETE", [_, _, _, "secrets", name]:
                self.find(name)
                del self.state["secrets"][name]
                return {}
            case "GET", [_, _, _, "secrets", name, "versions", verb] if verb.endswith(":access"):
                return self.access(name, verb.removesuffix(":access"))
        raise self.refused(400, "INVALID_ARGUMENT")

    def login(self, form, host):
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

        decoded = lambda part: base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        try:
            head, claims, signature = form["assertion"][0].split(".")
            said = json.loads(decoded(claims))
            client = self.clients[said["iss"]]
            key = serialization.load_pem_public_key(client["public"].encode())
            key.verify(decoded(signature), f"{head}.{claims}".encode(), PKCS1v15(), hashes.SHA256())
            good = (
                form["grant_type"] == [self.BEARER]
                and json.loads(decoded(head))["alg"] == "RS256"
                and said["aud"] == f"http://{host}/token"
                and said["scope"] == self.SCOPE
                and said["iat"] - 60 < time.time() < said["exp"] <= said["iat"] + 3600
            )
        except (InvalidSignature, KeyError, ValueError):
            good = False
        if not good:
            raise Refused(400, {"error": "invalid_grant"})
        return self.token(said["iss"])

    def find(self, name):
        if name not in self.state["secrets"]:
            raise self.refused(404, "NOT_FOUND")
        return self.state["secrets"][name]

    def create(self, query, body):
        name = query["secretId"][0]
        automatic = body["replication"] == {"automatic": {}}
        replicas = body["replication"].get("userManaged", {}).get("replicas")
        if not re.fullmatch("[0-9a-zA-Z_-]{1,255}", name) or not (automatic or replicas):
            raise self.refused(400, "INVALID_ARGUMENT")
        if name in self.state["secrets"]:
            raise self.refused(409, "ALREADY_EXISTS")
        self.state["secrets"][name] = {"labels": body.get("labels", {}), "versions": []}
        return {"name": f"projects/1/secrets/{name}", **body}

    def add(self, name, body):
        kept = self.find(name)
        payload = body["payload"]
        data = base64.b64decode(payload["data"], validate=True)
        if not 0 < len(data) <= 65536 or int(payload["dataCrc32c"]) != crc32c(data):
            raise self.refused(400, "INVALID_ARGUMENT")
        kept["versions"].append(payload["data"])
        return {"name": f"projects/1/secrets/{name}/versions/{len(kept['versions'])}"}

    def access(self, name, version):
        versions = self.find(name)["versions"]
        number = len(versions) if version == "latest" else int(version)
        if not 1 <= number <= len(versions):
            raise self.refused(404, "NOT_FOUND")
        data = versions[number - 1]
        payload = {"data": data, "dataCrc32c": str(crc32c(base64.b64decode(data)))}
        return {"name": f"projects/1/secrets/{name}/versions/{number}", "payload": payload}

    def listed(self, query):
        size, start = int(query["pageSize"][0]), int(query.get("pageToken", ["0"])[0])
        within = query["filter"][0].removeprefix("name:")
        names = [name for name in sorted(self.state["secrets"]) if within in name]
        page = [{"name": f"projects/1/secrets/{name}"} for name in names[start : start + size]]
        answer = {"secrets": page, "totalSize": len(names)} if page else {}
        if start + size < len(names):
            answer["nextPageToken"] = str(start + size)
        return answer


def serve(service, port):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self):
            try:
                super().handle_one_request()
            except ConnectionError:
                self.close_connection = True

        def answered(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            url = urlsplit(self.path)
            query = parse_qs(url.query)
            with service.lock:
                try:
                    host, authorization = self.headers["host"], self.headers["authorization"]
                    status, answer = 200, service.answer(
                        self.command, url.path, query, authorization, body, host
                    )
                except Refused as refused:
                    status, answer = refused.args
                if self.command != "GET":
                    service.save()
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            if status == 401:
                self.send_header("www-authenticate", "Bearer")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_DELETE = do_GET = do_POST = do_PUT = answered

        def log_message(self, *_):
            pass

    ThreadingHTTPServer.daemon_threads = True
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
    print("ready", flush=True)
    server.serve_forever()


name, port, folder = sys.argv[1:]
serve({"azure": Azure, "google": Google}[name](folder), port)
