"""What must be looked at: clocks, cards, anomalies, complaints, evidence links."""
