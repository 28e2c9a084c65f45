"""`python -m clinicenv`."""

from clinicenv.cli.main import main

main()
