"""Optional callbacks, by which the trainers of other libraries tell the meter their epochs, steps and evaluations."""
