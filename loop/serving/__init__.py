"""The ad server: parts, queue, champion, HTTP, studio, replicas."""
