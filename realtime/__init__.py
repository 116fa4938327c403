"""From a camera or a file to people in metres, as they move: sources, tracking, lifting, smoothing, window, sinks."""
