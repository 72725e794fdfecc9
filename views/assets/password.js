// Shows what was typed into a password field, and hides it again before the form is sent: browsers keep what they see in a text field.
for (const button of document.querySelectorAll('[data-reveal]')) {
  const field = document.getElementById(button.dataset.reveal);
  const show = (isShown) => {
    field.type = isShown ? 'text' : 'password';
    button.setAttribute('aria-pressed', String(isShown));
  };
  button.hidden = false;
  button.addEventListener('click', () => {
    const { selectionStart, selectionEnd } = field;
    show(field.type === 'password');
    field.focus();
    field.setSelectionRange(selectionStart, selectionEnd);
  });
  field.form.addEventListener('submit', () => show(false));
}
