"""What every step needs: routes by kind, counts, packed rows, files at the end of a job."""
