"""Receives Farebox's webhooks: FAREBOX_WEBHOOK_SECRET=whsec_… PORT=9000 python webhook_receiver.py"""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook

webhook = Webhook(os.environ["FAREBOX_WEBHOOK_SECRET"])


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        message = webhook.verify(body, dict(self.headers))  # raises, and so is not answered, when it is not Farebox's
        print(self.headers["webhook-id"], message["type"], message["data"]["office"]["slug"], flush=True)
        self.send_response(204)
        self.end_headers()


ThreadingHTTPServer(("", int(os.environ.get("PORT", "9000"))), Receiver).serve_forever()
