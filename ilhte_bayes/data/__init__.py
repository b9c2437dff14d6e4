"""Tables: reading and checking them, coding them, and the data sets that come with the package."""
