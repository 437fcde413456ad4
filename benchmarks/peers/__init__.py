"""The contenders: programs that read a topic, judge nothing, and write a verdict for every event."""
