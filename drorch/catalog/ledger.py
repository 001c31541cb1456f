"""What happened: runs, proof, findings. Written by the orchestrator only."""
