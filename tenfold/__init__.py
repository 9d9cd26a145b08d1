"""The installed form of Tenfold: this package, with the dashboard, its pages and `core` inside it."""
