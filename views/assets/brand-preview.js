// Shows a name and a colour beside the form while they are typed. The server makes the colours of the preview; what is saved it checks again.
const form = document.querySelector('[data-accent-preview]');
const { accent, name: title } = form.elements;
const sheet = document.createElement('link');
sheet.rel = 'stylesheet';

accent.addEventListener('input', () => {
  const color = accent.value.trim().toLowerCase();
  if (!/^#[\da-f]{6}$/.test(color)) return;
  sheet.href = `${form.dataset.accentPreview}${color.slice(1)}.css`;
  if (!sheet.isConnected) document.head.append(sheet);
});

title.addEventListener('input', () => {
  for (const product of document.querySelectorAll('.brand-preview .product, .brand-preview .value')) {
    product.textContent = title.value.trim() || title.defaultValue;
  }
});
