"""The little of S3 that tests need to fill a bucket: requests signed with SigV4, by the standard library alone."""

import datetime
import hashlib
import hmac
import http.client
import urllib.parse

ALGORITHM = "AWS4-HMAC-SHA256"


def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Client:
    def __init__(self, host, access_key, secret_key, region):
        self.host, self.access_key, self.secret_key, self.region = host, access_key, secret_key, region

    def headers(self, method, path, query, body):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        digest = hashlib.sha256(body).hexdigest()
        signed = {"host": self.host, "x-amz-content-sha256": digest, "x-amz-date": now}
        names = ";".join(sorted(signed))
        lines = "".join("%s:%s\n" % (name, signed[name]) for name in sorted(signed))
        request = "\n".join((method, path, query, lines, names, digest))
        scope = "/".join((now[:8], self.region, "s3", "aws4_request"))
        text = "\n".join((ALGORITHM, now, scope, hashlib.sha256(request.encode()).hexdigest()))
        key = ("AWS4" + self.secret_key).encode()
        for part in scope.split("/"):
            key = sign(key, part)
        signature = sign(key, text).hex()
        credential = "%s/%s" % (self.access_key, scope)
        signed["authorization"] = "%s Credential=%s, SignedHeaders=%s, Signature=%s" % (
            ALGORITHM, credential, names, signature,
        )
        return signed

    def request(self, method, path, body=b"", query=None):
        """Returns (status, body)."""
        path = urllib.parse.quote(path, safe="/-_.~")
        text = urllib.parse.urlencode(sorted((query or {}).items()), quote_via=urllib.parse.quote)
        connection = http.client.HTTPConnection(self.host, timeout=30)
        try:
            target = path + ("?" + text if text else "")
            connection.request(method, target, body, self.headers(method, path, text, body))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def expect(self, status, method, path, body=b"", query=None):
        """The body, when the answer has the status; RuntimeError with the server's words otherwise."""
        got, answer = self.request(method, path, body, query)
        if got != status:
            raise RuntimeError("%s %s: %d %s" % (method, path, got, answer[:500].decode(errors="replace")))
        return answer
