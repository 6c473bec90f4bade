"""The kind bed: real kubelets, containerd and pods in Docker containers, driven through the kind CLI."""
