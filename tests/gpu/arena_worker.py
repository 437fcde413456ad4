"""`python -m tests.gpu.arena_worker FD ARGS_JSON`: the real worker on an arena instead of a card."""

from consumer.inference.gpu.worker import main
from tests.gpu.arena import ArenaDevice

if __name__ == "__main__":
    main(lambda _args: ArenaDevice.from_environment())
