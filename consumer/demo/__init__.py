"""The demo: pictures, copy and expectations that ship in the package, and the run that judges them."""
