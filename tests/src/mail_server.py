# A mail server for tests: aiosmtpd, whatever it is told to refuse, and a line of JSON for each mail.
#
# With a certificate and its key as arguments, it speaks TLS from the first byte. Prints its port first. Ends with its input. An address whose name is `bounce` is refused for good, one
# whose name is `busy` for now.
import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        if name == "bounce":
            return "550 5.1.1 no such user here"
        if name == "busy":
            return "451 4.3.0 come again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        print(json.dumps({
            "to": envelope.rcpt_tos,
            "from": envelope.mail_from,
            "headers": [[name, str(value)] for name, value in mail.items()],
            "text": mail.get_content(),
        }), flush=True)
        return "250 OK"


async def main():
    loop = asyncio.get_running_loop()
    context = None
    if len(sys.argv) == 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*sys.argv[1:])
    server = await loop.create_server(lambda: SMTP(Handler()), "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
