"""A driver of two cars, in another process than the car park."""

import trio
from car_park import SOCKET, Enter, FreePlaces, Full, GetTicket, Leave

import acton_trio as acton


async def main() -> None:
    """Come, be refused, go, and read the news of it."""
    async with (
        acton.ipc.open_client(SOCKET) as client,
        client.subscribe(FreePlaces) as news,
    ):
        car_park = client.actor("car-park")
        ticket = await car_park.ask(Enter("AB 1"))
        print(await car_park.ask(GetTicket(ticket)))
        await car_park.ask(Enter("CD 2"))
        try:
            await car_park.ask(Enter("EF 3"))
        except Full as full:
            print("all", full.places, "places are taken")
        await car_park.send(Leave(ticket))
        for _ in range(3):
            print((await anext(news)).count, "free")


if __name__ == "__main__":
    trio.run(main)
