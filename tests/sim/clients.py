"""Simulated clients: buyers who book, hold, confirm, cancel and retry, over a network that has faults."""

from __future__ import annotations

import asyncio
from typing import Final
from uuid import UUID

import asyncpg
from msgspec.structs import replace

from evently.kit.errors import Trouble
from evently.sales.commands import Command
from evently.sales.commands.bookings import BookingLine, CancelBooking, ConfirmBooking, PlaceBooking
from evently.sales.commands.waitlist import AcceptOffer, JoinWaitlist, LeaveWaitlist
from evently.sales.nouns import Booking, WaitlistEntry
from evently.sales.outcomes import Booked, Listed, Outcome
from tests.sim.simulation import EVENTS, LIMITED, STANDARD, ReplyLost, Simulation

TRIES_MAX: Final = 1_000
HOLD_SECONDS: Final = 2


class Client:
    """One buyer. Its name is in its keys."""

    def __init__(self, simulation: Simulation, number: int) -> None:
        self._simulation = simulation
        self._draw = simulation.draw
        self._me = UUID(int=100 + number)
        self._keys = 0
        self._mine: list[Booking] = []
        self._entries: list[WaitlistEntry] = []

    async def live(self, commands: int) -> None:
        for _ in range(commands):
            await asyncio.sleep(self._draw.random() * 0.2)
            command = self._next_command()
            outcome = await self._submit_until_answered(command)
            if isinstance(command, PlaceBooking) and isinstance(outcome, Booked):
                self._mine.append(outcome.booking)
            if isinstance(outcome, Listed):
                self._entries.append(outcome.entry)
                self._mine += [] if outcome.booking is None else [outcome.booking]

    def _next_command(self) -> Command:
        dice = self._draw.random()
        if dice < 0.03:
            return replace(self._booking(), key="poison \0")
        if self._mine and dice < 0.2:
            return self._payment(self._mine[-1])
        if dice < 0.27:
            return JoinWaitlist(
                self._draw.choice(EVENTS),
                self._me,
                self._draw.choice([STANDARD, LIMITED]),
                self._draw.randint(1, 3),
            )
        if self._entries and dice < 0.35:
            entry = self._draw.choice(self._entries)
            if self._draw.random() < 0.3:
                return LeaveWaitlist(entry.event_id, entry.entry_id, self._me)
            return AcceptOffer(entry.event_id, entry.entry_id, self._me)
        if self._mine and dice < 0.5:
            return self._cancellation(self._draw.choice(self._mine))
        return self._booking()

    def _booking(self) -> PlaceBooking:
        types = self._draw.choice([(STANDARD,), (STANDARD,), (LIMITED,), (STANDARD, LIMITED)])
        lines = tuple(BookingLine(type_id, self._draw.randint(1, 3)) for type_id in types)
        hold_seconds = self._draw.choice([None, None, HOLD_SECONDS])
        key = self._key()
        return PlaceBooking(
            self._draw.choice(EVENTS),
            self._me,
            lines,
            hold_seconds,
            key,
            repr((lines, hold_seconds)).encode(),
        )

    def _payment(self, booking: Booking) -> ConfirmBooking:
        if booking.event_id == EVENTS[0]:
            return ConfirmBooking(booking.event_id, booking.booking_id)
        return ConfirmBooking(
            booking.event_id, booking.booking_id, self._simulation.new_id(), booking.total_minor()
        )

    def _cancellation(self, booking: Booking) -> CancelBooking:
        some = tuple(ticket.ticket_id for ticket in booking.tickets[: self._draw.choice([1, 1, 9])])
        ticket_ids = self._draw.choice([None, some])
        fingerprint = repr((booking.booking_id, ticket_ids)).encode()
        return CancelBooking(
            booking.event_id,
            booking.booking_id,
            self._me,
            self._me,
            ticket_ids,
            None,
            self._key(),
            fingerprint,
        )

    def _key(self) -> str | None:
        if self._draw.random() < 0.15:
            return None
        self._keys += self._draw.random() < 0.95  # and now and then the key of the command before
        return f"{self._me.int}-{self._keys}"

    async def _submit_until_answered(self, command: Command) -> Outcome | None:
        """Submit a command until it has an outcome; without a key only once."""
        self._simulation.asked.append(command)
        for _ in range(TRIES_MAX):
            try:
                return await self._ask(command)
            except asyncpg.DataError:
                assert getattr(command, "key", None) == "poison \0"
                return None
            except (ReplyLost, Trouble):
                if getattr(command, "key", None) is None:
                    return None
                await asyncio.sleep(self._draw.random() * 0.2)
        raise AssertionError(f"no answer to {command}")

    async def _ask(self, command: Command) -> Outcome:
        simulation, fault_rates = self._simulation, self._simulation.fault_rates
        await asyncio.sleep(self._draw.random() * 0.02)
        if simulation.chance(fault_rates.lost_request):
            raise ReplyLost
        if getattr(command, "key", None) is not None and simulation.chance(fault_rates.repeated):
            simulation.start_in_background(self._echo(command))
        process = self._draw.choice(simulation.processes)
        if self._draw.random() < 0.2:
            simulation.start_in_background(process.read_glance(command.event_id))
        outcome = await process.submit(command)
        if simulation.chance(fault_rates.lost_answer):
            raise ReplyLost
        return outcome

    async def _echo(self, command: Command) -> None:
        """Send a command once more, soon or much later."""
        await asyncio.sleep(self._draw.choice([0.01, 0.1, 5.0]) * self._draw.random())
        try:
            await self._draw.choice(self._simulation.processes).submit(command)
        except asyncpg.DataError:
            assert getattr(command, "key", None) == "poison \0"
        except (ReplyLost, Trouble):
            pass  # nobody waits for it
