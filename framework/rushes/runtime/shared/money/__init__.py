"""What is paid of caps that many hosts share: tranches of them, an attempt's share, its meter."""
