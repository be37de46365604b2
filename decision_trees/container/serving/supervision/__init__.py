"""What process 1 does for its servers: it provides readable files and watches the start."""
