"""Learning: gait student, frozen face teacher, loss plug-ins, training, honest evaluation."""
