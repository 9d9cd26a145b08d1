"""What pages share. Streamlit does not list sub-folders of pages/, so nothing here becomes a page."""
