using System.Runtime.ExceptionServices;

namespace KFac.Kernels.Cpu;

/// <summary>The CPU device's threads: they take numbered tasks of one job at a time and park when there is none.</summary>
/// <remarks>
/// The calling thread works too. Which thread runs a task is left to timing, so a task's result may depend on its number
/// only, never on the thread: partition by shape. Jobs from several application threads run one after the other; a task
/// must not start a job. Starting a job allocates nothing. A worker that wakes late finds the job closed and is not
/// waited for, so small jobs do not pay for a parked thread. Idle workers spin for a fraction
/// of a millisecond, which the next kernel of a step usually falls into, then park.
/// </remarks>
internal sealed unsafe class WorkerPool : IDisposable
{
    private const int SpinsBeforeParking = 200;
    private const long Closed = 1L << 16;
    private const long ActiveMask = Closed - 1;
    private const int EpochShift = 17;

    private readonly Lock _gate = new();
    private readonly Worker[] _workers;

    // Epoch, closed bit and number of active workers in one word, so that joining and closing exclude each other.
    private long _state = Closed;
    private delegate*<void*, int, void> _body;
    private void* _context;
    private int _tasks;
    private int _next;
    private Exception? _failure;
    private volatile bool _stopping;

    public WorkerPool(int threads)
    {
        _workers = new Worker[threads - 1];
        for (int i = 0; i < _workers.Length; i++)
        {
            var worker = new Worker();
            _workers[i] = worker;
            worker.Thread = new Thread(() => Serve(worker)) { IsBackground = true, Name = $"kfac-{i + 1}" };
            worker.Thread.Start();
        }
    }

    /// <summary>Threads that work on a job, the caller included.</summary>
    public int Threads => _workers.Length + 1;

    /// <summary>Workers that sleep until there is a job.</summary>
    public int ParkedWorkers
    {
        get
        {
            int parked = 0;
            foreach (Worker worker in _workers)
            {
                parked += Volatile.Read(ref worker.Parked);
            }

            return parked;
        }
    }

    /// <summary>Calls <c>body(context, task)</c> for every task from 0 to <paramref name="tasks"/> − 1 and waits for all.</summary>
    public void Run(int tasks, delegate*<void*, int, void> body, void* context)
    {
        if (tasks <= 1 || _workers.Length == 0)
        {
            for (int task = 0; task < tasks; task++)
            {
                body(context, task);
            }

            return;
        }

        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_stopping, this);
            _body = body;
            _context = context;
            _tasks = tasks;
            _failure = null;
            Volatile.Write(ref _next, 0);
            long epoch = (Volatile.Read(ref _state) >> EpochShift) + 1;
            Interlocked.Exchange(ref _state, epoch << EpochShift);
            Wake(Math.Min(tasks - 1, _workers.Length));
            Work();
            Close();
            if (_failure is { } failure)
            {
                ExceptionDispatchInfo.Throw(failure);
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            if (_stopping)
            {
                return;
            }

            _stopping = true;
            Wake(_workers.Length);
        }

        foreach (Worker worker in _workers)
        {
            worker.Thread!.Join();
            worker.Dispose();
        }
    }

    private void Wake(int count)
    {
        for (int i = 0; i < count; i++)
        {
            if (Interlocked.Exchange(ref _workers[i].Parked, 0) == 1)
            {
                _workers[i].Signal.Release();
            }
        }
    }

    private void Work()
    {
        int task;
        while ((task = Interlocked.Increment(ref _next) - 1) < _tasks)
        {
            try
            {
                _body(_context, task);
            }
            catch (Exception exception)
            {
                Interlocked.CompareExchange(ref _failure, exception, null);
            }
        }
    }

    private void Close()
    {
        Interlocked.Or(ref _state, Closed);
        var spinner = default(SpinWait);
        while ((Volatile.Read(ref _state) & ActiveMask) != 0)
        {
            spinner.SpinOnce(sleep1Threshold: -1);
        }
    }

    private void Serve(Worker worker)
    {
        long seen = 0;
        while (!_stopping)
        {
            long state = Volatile.Read(ref _state);
            long epoch = state >> EpochShift;
            if (epoch != seen && (state & Closed) == 0)
            {
                if (Interlocked.CompareExchange(ref _state, state + 1, state) == state)
                {
                    seen = epoch;
                    Work();
                    Interlocked.Decrement(ref _state);
                }
            }
            else
            {
                Idle(worker, seen);
            }
        }
    }

    private bool HasWork(long seen)
    {
        long state = Volatile.Read(ref _state);
        return _stopping || ((state >> EpochShift) != seen && (state & Closed) == 0);
    }

    private void Idle(Worker worker, long seen)
    {
        for (int spin = 0; spin < SpinsBeforeParking; spin++)
        {
            if (HasWork(seen))
            {
                return;
            }

            Thread.SpinWait(20);
        }

        Interlocked.Exchange(ref worker.Parked, 1);
        if (HasWork(seen) && Interlocked.Exchange(ref worker.Parked, 0) == 1)
        {
            return;
        }

        worker.Signal.Wait();
    }

    private sealed class Worker : IDisposable
    {
        public readonly SemaphoreSlim Signal = new(0);
        public Thread? Thread;
        public int Parked;

        public void Dispose() => Signal.Dispose();
    }
}
