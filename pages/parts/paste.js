// A field that takes an image from the clipboard: click it, then Ctrl+V or Cmd+V. See clicks.py.

export default function ({ parentElement, setTriggerValue, data }) {
  const field = parentElement.querySelector(".paste");
  field.textContent = data.label;
  field.onpaste = (event) => {
    event.preventDefault();
    const item = [...event.clipboardData.items].find(({ type }) => type.startsWith("image/"));
    if (!item) {
      field.textContent = "There is no image in the clipboard: copy one first.";
      return;
    }
    const file = item.getAsFile();
    if (file.size > data.most) {
      field.textContent = "This image is too large.";
      return;
    }
    const reader = new FileReader();
    reader.onload = () => setTriggerValue("pasted", reader.result);
    reader.readAsDataURL(file);
  };
}
