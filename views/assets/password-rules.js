// Marks which rules a new password keeps while it is typed. What only the server knows stays open, and the server decides about all of them.
const kinds = [/\p{Lu}/u, /\p{Ll}/u, /\p{Nd}/u, /[^\p{L}\p{Nd}]/u];

for (const list of document.querySelectorAll('[data-rules]')) {
  const field = document.getElementById(list.dataset.rules);
  const mark = (rule, state) => {
    rule.dataset.state = state;
    rule.querySelector('span').textContent = list.dataset[state] ?? '';
  };
  field.addEventListener('input', () => {
    const text = field.value.normalize('NFC');
    const length = [...text].length;
    for (const rule of list.children) {
      const { rule: key, min, max } = rule.dataset;
      if (key === 'strength') rule.hidden = true;
      else if (key === 'length') mark(rule, length >= Number(min) && length <= Number(max) ? 'met' : 'unmet');
      else if (key === 'kinds') mark(rule, kinds.every((kind) => kind.test(text)) ? 'met' : 'unmet');
      else mark(rule, 'open');
    }
  });
}
