"""The kind bed: the real kind CLI, real kubelets and real image pulls, on Docker."""
