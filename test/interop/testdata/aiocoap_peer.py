"""A peer for tests: aiocoap as server and as client, over TCP or TLS.

aiocoap_peer.py serve PORT [CERTIFICATE KEY]   /big keeps what is put, /count counts and is observable
aiocoap_peer.py use URI [CERTIFICATE]          puts and gets 1 MB at URI/big, observes URI/count, prints what came
"""

import asyncio
import hashlib
import ssl
import sys

from aiocoap import CHANGED, GET, PUT, Context, Message, resource

MEGABYTE = bytes(i * 7 % 251 for i in range(1 << 20))


class Big(resource.Resource):
    body = b""

    async def render_get(self, request):
        return Message(payload=self.body)

    async def render_put(self, request):
        self.body = request.payload
        return Message(code=CHANGED)


class Count(resource.ObservableResource):
    count = 0

    def __init__(self):
        super().__init__()
        self.task = asyncio.get_event_loop().create_task(self.run())

    async def run(self):
        while True:
            await asyncio.sleep(0.1)
            self.count += 1
            self.updated_state()

    async def render_get(self, request):
        return Message(payload=str(self.count).encode())


async def serve(port, certificate=None, key=None):
    site = resource.Site()
    site.add_resource(["big"], Big())
    site.add_resource(["count"], Count())
    transport, context = "tcpserver", None
    if certificate:
        transport, context = "tlsserver", ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        context.set_alpn_protocols(["coap"])
    await Context.create_server_context(
        site, bind=("127.0.0.1", int(port)), transports=[transport], _ssl_context=context
    )
    print("ready", flush=True)
    await asyncio.get_running_loop().create_future()


async def use(uri, certificate=None):
    context = await Context.create_client_context(transports=["tlsclient" if certificate else "tcpclient"])
    if certificate:
        context.client_credentials.load_from_dict({uri + "/*": {"tlscert": {"certfile": certificate}}})
    answer = await context.request(Message(code=PUT, uri=uri + "/big", payload=MEGABYTE)).response
    print("put", answer.code, flush=True)
    answer = await context.request(Message(code=GET, uri=uri + "/big")).response
    print("got", answer.code, hashlib.sha256(answer.payload).hexdigest(), flush=True)
    request = context.request(Message(code=GET, uri=uri + "/count", observe=0))
    print("first", (await request.response).payload.decode(), flush=True)
    seen = 0
    async for notification in request.observation:
        print("then", notification.payload.decode()[-20:], len(notification.payload), flush=True)
        seen += 1
        if seen == 3:
            break
    await context.shutdown()


asyncio.run({"serve": serve, "use": use}[sys.argv[1]](*sys.argv[2:]))
