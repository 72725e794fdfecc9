// Copies the text of the element that a button names, and says so; prints where a button offers that.
const announcement = document.createElement('p');
announcement.className = 'visually-hidden';
announcement.setAttribute('role', 'status');
document.querySelector('main').append(announcement);

for (const button of document.querySelectorAll('[data-copy]')) {
  const label = button.querySelector('span');
  const text = label.textContent;
  let back;
  button.hidden = !navigator.clipboard;
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    label.textContent = button.dataset.copied;
    announcement.textContent = button.dataset.copied;
    clearTimeout(back);
    back = setTimeout(() => {
      label.textContent = text;
      announcement.textContent = '';
    }, 2500);
  });
}

for (const button of document.querySelectorAll('[data-print]')) {
  button.hidden = false;
  button.addEventListener('click', () => window.print());
}
