"""What every step needs: routing and counting, packed rows, the files of a finished job."""
