"""The little of S3 that tests need to fill a bucket: requests signed with SigV4, by the standard library alone."""

import datetime
import hashlib
import hmac
import http.client
import json
import re
import ssl
import urllib.parse

ALGORITHM = "AWS4-HMAC-SHA256"


def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Client:
    """`ca_file` makes it TLS, trusting that file alone."""

    def __init__(self, host, access_key, secret_key, region, ca_file=None):
        self.host, self.access_key, self.secret_key, self.region = host, access_key, secret_key, region
        self.tls = ssl.create_default_context(cafile=str(ca_file)) if ca_file else None

    def headers(self, method, path, query, body, service):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        digest = hashlib.sha256(body).hexdigest()
        signed = {"host": self.host, "x-amz-content-sha256": digest, "x-amz-date": now}
        names = ";".join(sorted(signed))
        lines = "".join("%s:%s\n" % (name, signed[name]) for name in sorted(signed))
        request = "\n".join((method, path, query, lines, names, digest))
        scope = "/".join((now[:8], self.region, service, "aws4_request"))
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

    def request(self, method, path, body=b"", query=None, service="s3", content_type=None):
        """Returns (status, body)."""
        path = urllib.parse.quote(path, safe="/-_.~")
        text = urllib.parse.urlencode(sorted((query or {}).items()), quote_via=urllib.parse.quote)
        if self.tls:
            connection = http.client.HTTPSConnection(self.host, timeout=30, context=self.tls)
        else:
            connection = http.client.HTTPConnection(self.host, timeout=30)
        headers = self.headers(method, path, text, body, service)
        if content_type:
            headers["content-type"] = content_type
        try:
            connection.request(method, path + ("?" + text if text else ""), body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def assume_role(self, policy):
        """Temporary keys that may do no more than the policy, a dict, allows: (access key, secret, session token)."""
        form = {"Action": "AssumeRole", "Version": "2011-06-15", "DurationSeconds": 3600, "Policy": json.dumps(policy)}
        status, answer = self.request("POST", "/", urllib.parse.urlencode(form).encode(), service="sts",
                                      content_type="application/x-www-form-urlencoded")
        if status != 200:
            raise RuntimeError("AssumeRole: %d %s" % (status, answer[:500].decode(errors="replace")))
        text = answer.decode()
        return tuple(re.search("<%s>(.*?)</%s>" % (tag, tag), text).group(1)
                     for tag in ("AccessKeyId", "SecretAccessKey", "SessionToken"))

    def expect(self, status, method, path, body=b"", query=None):
        """The body, when the answer has the status; RuntimeError with the server's words otherwise."""
        got, answer = self.request(method, path, body, query)
        if got != status:
            raise RuntimeError("%s %s: %d %s" % (method, path, got, answer[:500].decode(errors="replace")))
        return answer
