//! One member below the doors, instantiated once for real and once for simulation.
