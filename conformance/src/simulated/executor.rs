//! Tasks, the order in which they run, and the clock.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::{HERE, World, with};

/// What a turn of a task takes. Without it a task that asks again and again for what only time brings
/// would ask for ever.
const TURN: Duration = Duration::from_micros(1);
/// The longest that anything may take.
const LATEST: Duration = Duration::from_secs(360_000);
/// The task that `block_on` was given.
const MAIN: u64 = 0;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// See the module.
#[derive(Default)]
pub(super) struct Executor {
    tasks: BTreeMap<u64, Task>,
    woken: Arc<Woken>,
    last: u64,
    /// Whom to wake, when; and a name for each timer.
    timers: BTreeMap<(Duration, u64), Waker>,
}

impl Executor {
    pub(super) fn add(&mut self, task: Task) {
        self.last += 1;
        self.tasks.insert(self.last, task);
        self.woken.push(self.last);
    }

    pub(super) fn wake_at(&mut self, timer: (Duration, u64), waker: &Waker) {
        self.timers.insert(timer, waker.clone());
    }

    pub(super) fn forget(&mut self, timer: (Duration, u64)) {
        self.timers.remove(&timer);
    }
}

/// The tasks that are to run, first come, first served.
#[derive(Default)]
struct Woken(Mutex<VecDeque<u64>>);

impl Woken {
    fn queue(&self) -> MutexGuard<'_, VecDeque<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, task: u64) {
        let mut queue = self.queue();
        if !queue.contains(&task) {
            queue.push_back(task);
        }
    }

    fn pop(&self) -> Option<u64> {
        self.queue().pop_front()
    }
}

struct TaskWaker {
    task: u64,
    woken: Arc<Woken>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.push(self.task);
    }
}

/// Runs a future to its end in a world of its own, with all that it spawns; what is left of that is
/// dropped then.
///
/// # Panics
///
/// There is a simulation on this thread already; nothing can happen any more that the future waits for;
/// or it has waited for a hundred hours of the clock.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let here = HERE.with_borrow_mut(|here| here.replace(World::default()));
    assert!(here.is_none(), "a simulation in a simulation");
    let _ending = Ending;
    let woken = with(|world| Arc::clone(&world.executor.woken)).unwrap_or_default();
    let waker = |task| {
        let woken = Arc::clone(&woken);
        Waker::from(Arc::new(TaskWaker { task, woken }))
    };
    let mut future = pin!(future);
    woken.push(MAIN);
    loop {
        let Some(name) = woken.pop() else {
            jump();
            continue;
        };
        let waker = waker(name);
        let cx = &mut Context::from_waker(&waker);
        if name == MAIN {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return output;
            }
        } else {
            run(name, cx);
        }
        with(|world| world.now += TURN);
        come_due();
    }
}

/// A turn of a task that was spawned.
fn run(name: u64, cx: &mut Context<'_>) {
    // Woken once more after its end, perhaps.
    let task = with(|world| world.executor.tasks.remove(&name)).flatten();
    let Some(mut task) = task else {
        return;
    };
    if task.as_mut().poll(cx).is_pending() {
        with(|world| world.executor.tasks.insert(name, task));
    }
}

/// Nobody has anything to do now: goes on to when somebody has.
fn jump() {
    let next = with(|world| {
        let timer = world.executor.timers.keys().next().map(|(at, _)| *at);
        let datagram = world.network.next_arrival();
        let next = [timer, datagram].into_iter().flatten().min();
        world.now = next.map_or(world.now, |next| next.max(world.now));
        next
    });
    let next = next.flatten();
    assert!(next.is_some(), "nothing can happen any more");
    assert!(next <= Some(LATEST), "took too long");
    come_due();
}

/// What is due by now happens: datagrams first.
fn come_due() {
    let wakers = with(|world| {
        let mut wakers = world.network.arrive(world.now);
        let later = world.executor.timers.split_off(&(world.now, u64::MAX));
        wakers.extend(mem::replace(&mut world.executor.timers, later).into_values());
        wakers
    });
    wakers.into_iter().flatten().for_each(Waker::wake);
}

/// Ends the world of this thread.
struct Ending;

impl Drop for Ending {
    fn drop(&mut self) {
        // Their ends look at the clock, and send a last word.
        while let Some(tasks) = with(|world| mem::take(&mut world.executor.tasks)) {
            if tasks.is_empty() {
                break;
            }
        }
        let world = HERE.with_borrow_mut(Option::take);
        drop(world);
    }
}
