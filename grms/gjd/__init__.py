"""The job language GJD: its model, its parser and its renderer. Pure: knows no broker."""
