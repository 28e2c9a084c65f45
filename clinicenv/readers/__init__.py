"""Expert readers: functions that know one kind of picture."""
