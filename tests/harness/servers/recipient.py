"""recipient.py FOLDER SMTP_PORT HTTP_PORT: where an owner is told.

A submission server (STARTTLS, then AUTH as news / sesame) that writes each message it takes to
FOLDER/mail-N.eml and, as JSON, to FOLDER/mail-N.json; and a webhook that writes each call, headers
and body, to FOLDER/call-N.json. FOLDER holds server.pem and server.key.

recipient.py verify SECRET FILE: whether Standard Webhooks' own library takes the call; else it
fails.
"""

import email
import email.policy
import http.server
import itertools
import json
import os
import ssl
import sys
import threading


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(path + ".part", path)


def described(envelope):
    message = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
    body = lambda kind: message.get_body((kind,)).get_content()
    fields = {name.lower(): str(value) for name, value in message.items()}
    return {
        "from": envelope.mail_from,
        "to": envelope.rcpt_tos,
        "header": fields,
        "type": message.get_content_type(),
        "parts": [part.get_content_type() for part in message.iter_parts()],
        "text": body("plain"),
        "html": body("html"),
        "defects": [str(defect) for part in message.walk() for defect in part.defects],
    }


def serve(folder, smtp_port, http_port):
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult, LoginPassword

    numbers = itertools.count(1)

    class Mails:
        async def handle_DATA(self, server, session, envelope):
            name = "mail-%d" % next(numbers)
            write(folder, name + ".eml", envelope.original_content.decode("utf-8"))
            write(folder, name + ".json", json.dumps(described(envelope)))
            return "250 2.0.0 taken"

    def authenticate(server, session, envelope, mechanism, data):
        right = isinstance(data, LoginPassword) and data == LoginPassword(b"news", b"sesame")
        return AuthResult(success=right)

    class Calls(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"])).decode("utf-8")
            headers = {name.lower(): value for name, value in self.headers.items()}
            call = {"path": self.path, "headers": headers, "body": body}
            write(folder, "call-%d.json" % next(numbers), json.dumps(call))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(folder, "server.pem"), os.path.join(folder, "server.key"))
    controller = Controller(
        Mails(),
        hostname="127.0.0.1",
        port=smtp_port,
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=authenticate,
    )
    controller.start()
    calls = http.server.ThreadingHTTPServer(("127.0.0.1", http_port), Calls)
    threading.Thread(target=calls.serve_forever, daemon=True).start()
    threading.Event().wait()


def verify(secret, path):
    from standardwebhooks.webhooks import Webhook

    with open(path, encoding="utf-8") as file:
        call = json.load(file)
    print(json.dumps(Webhook(secret).verify(call["body"], call["headers"])))


if sys.argv[1] == "verify":
    verify(sys.argv[2], sys.argv[3])
else:
    serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
