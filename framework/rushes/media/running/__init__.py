"""Media tools run here: in a box, watched, ended with all that they started; what their failures mean."""
