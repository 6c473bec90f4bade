"""A self-signed certificate for 127.0.0.1 and its key, made for these tests and used nowhere else."""

import ssl
from pathlib import Path

CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBpTCCAUugAwIBAgIUNAKuz7ymW2jd9SXyEigVRKTpHVcwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwObWFkZS1mb3ItdGVzdHMwIBcNMjYxMTI0MTExOTIyWhgPMjEy
NjEwMzExMTE5MjJaMBkxFzAVBgNVBAMMDm1hZGUtZm9yLXRlc3RzMFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEwn5wPpg095W7rVHiCnQvnsw2ziN1LhHMg9ocTJ9S
ByfIk/Qlp23R5tRBO51Q37910IpPwhRlMQUlncs9C409RqNvMG0wHQYDVR0OBBYE
FK8pc3cG9JKYrECFYPhhGlLeHNecMB8GA1UdIwQYMBaAFK8pc3cG9JKYrECFYPhh
GlLeHNecMBoGA1UdEQQTMBGHBH8AAAGCCWxvY2FsaG9zdDAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCIQCUFieVc3n0kAcdFx7Y+OKEWdtikDzt/h3F
/rpF/trVJAIgVVCsyaJ9DpN1IaLcUfsjmN6Odoab8zww1WSdVTIn9BA=
-----END CERTIFICATE-----
"""
KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgW5FS81K6NtToMhUT
W04bcrAZEWWnuQPDXb0PxQkVekKhRANCAATCfnA+mDT3lbutUeIKdC+ezDbOI3Uu
EcyD2hxMn1IHJ8iT9CWnbdHm1EE7nVDfv3XQik/CFGUxBSWdyz0LjT1G
-----END PRIVATE KEY-----
"""


def server_context(folder: Path) -> ssl.SSLContext:
    """The TLS context of a server that shows this certificate."""
    pair = folder / "server.pem"
    pair.write_text(CERTIFICATE + KEY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    return context
