'use strict';
(() => {
  const root = document.documentElement;

  // Light or dark: as the system has it, until somebody asks for the other.
  const theme = document.getElementById('theme');
  const system = matchMedia('(prefers-color-scheme: dark)');
  const isDark = () => (root.dataset.theme ? root.dataset.theme === 'dark' : system.matches);
  const sayTheme = () => {
    theme.textContent = isDark() ? 'Light' : 'Dark';
    theme.setAttribute('aria-label', isDark() ? 'Show in light colours' : 'Show in dark colours');
  };
  theme.addEventListener('click', () => {
    root.dataset.theme = isDark() ? 'light' : 'dark';
    sayTheme();
  });
  system.addEventListener('change', sayTheme);
  // Paper is light.
  let chosen;
  addEventListener('beforeprint', () => {
    chosen = root.dataset.theme;
    root.dataset.theme = 'light';
  });
  addEventListener('afterprint', () => {
    if (chosen) root.dataset.theme = chosen;
    else delete root.dataset.theme;
  });
  theme.hidden = false;
  sayTheme();

  // Stepping: the table has all that there is to say, the slider picks a row of it.
  const stepper = document.getElementById('stepper');
  const rows = Array.from(document.querySelectorAll('#list tr[data-x]'));
  if (!stepper || rows.length === 0) return;
  const slider = document.getElementById('step');
  const state = document.getElementById('state');
  const box = document.querySelector('.tall');
  const heads = Array.from(document.querySelectorAll('#list thead th'), (head) => head.textContent);
  const cursors = Array.from(document.querySelectorAll('line.cursor'));
  let now = null;

  const show = (place) => {
    const row = rows[place];
    if (!row || row === now) return;
    if (now) {
      now.classList.remove('now');
      now.removeAttribute('aria-current');
    }
    now = row;
    row.classList.add('now');
    row.setAttribute('aria-current', 'step');
    const texts = Array.from(row.cells, (cell) => cell.textContent);
    state.replaceChildren(...heads.map((head, column) => {
      const pair = document.createElement('div');
      const [name, value] = [document.createElement('dt'), document.createElement('dd')];
      name.textContent = head;
      value.textContent = texts[column] || '-';
      if (head === 'told' || head === 'did') pair.className = 'long';
      pair.append(name, value);
      return pair;
    }));
    slider.setAttribute('aria-valuetext', `step ${texts[0]}, ${texts[1]}, ${texts[2]} stands ${texts[5]}`);
    for (const cursor of cursors) {
      cursor.setAttribute('x1', `${row.dataset.x}%`);
      cursor.setAttribute('x2', `${row.dataset.x}%`);
      cursor.setAttribute('visibility', 'visible');
    }
    box.scrollTop = row.offsetTop - box.clientHeight / 2;
  };

  slider.addEventListener('input', () => show(Number(slider.value)));
  document.getElementById('list').addEventListener('click', (event) => {
    const place = rows.indexOf(event.target.closest('tr'));
    if (place >= 0 && !event.target.closest('a')) {
      slider.value = String(place);
      show(place);
    }
  });
  stepper.hidden = false;
  show(Number(slider.value));
})();
