using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Work that a device is given again and again: recorded when the same is given a second time, and replayed from then on.</summary>
/// <remarks>
/// What the work depends on besides the contents of memory, addresses and numbers, its caller condenses to a mark. A few
/// recordings are kept, since inverses are written to two places in turn; another mark takes the place of the one that was
/// used longest ago, and its recording. Where replaying gains nothing, and where the device has no room for a recording, the
/// work is done as it is. Work that changes something on the host must set it anew whenever it is given, or leave a note of it.
/// </remarks>
/// <param name="note">Makes a note of what the work has left on the host, once it has been recorded; null for none.</param>
internal sealed class StepRecorder(DeviceStream stream, Action work, Func<object>? note = null) : IDisposable
{
    private const int MostRecordings = 4;

    private readonly Entry[] _entries = [.. Enumerable.Range(0, MostRecordings).Select(static _ => new Entry())];
    private long _uses;
    private bool _refused;

    /// <summary>How often recorded work was run.</summary>
    public long Replays { get; private set; }

    /// <summary>What was noted when the work that was replayed last was recorded.</summary>
    public object? Note { get; private set; }

    /// <param name="mark">Of what the work depends on; null where that will not come again.</param>
    /// <returns>Whether recorded work was run: what it changes on the host is as it was left when it was recorded.</returns>
    public bool Run(ulong? mark)
    {
        if (_refused || mark is not { } value || !stream.GainsByReplay)
        {
            work();
            return false;
        }

        Entry entry = Find(value, out bool isNew);
        entry.LastUse = ++_uses;
        if (isNew || !(entry.IsRecorded || TryRecord(entry)))
        {
            work();
            return false;
        }

        stream.Replay(entry.Work!);
        Note = entry.Note;
        Replays++;
        return true;
    }

    /// <summary>Adds something that work depends on to a mark.</summary>
    public static ulong Mix(ulong mark, ulong value)
    {
        // The mixing step of SplitMix64, a bijection.
        ulong mixed = (mark ^ value) * 0x9E3779B97F4A7C15;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
        return mixed ^ (mixed >> 27);
    }

    public void Dispose()
    {
        foreach (Entry entry in _entries)
        {
            entry.Work?.Dispose();
        }
    }

    private Entry Find(ulong mark, out bool isNew)
    {
        Entry oldest = _entries[0];
        foreach (Entry entry in _entries)
        {
            if (entry.LastUse > 0 && entry.Mark == mark)
            {
                isNew = false;
                return entry;
            }

            oldest = entry.LastUse < oldest.LastUse ? entry : oldest;
        }

        (oldest.Mark, oldest.IsRecorded) = (mark, false);
        isNew = true;
        return oldest;
    }

    private bool TryRecord(Entry entry)
    {
        try
        {
            entry.Work = stream.Record(work, entry.Work);
            entry.Note = note?.Invoke();
            entry.IsRecorded = true;
            return true;
        }
        catch (Exception exception) when (exception is OutOfMemoryException or InvalidOperationException)
        {
            // No room for the graph, or work that waits for the device: it would be so again.
            _refused = true;
            return false;
        }
    }

    private sealed class Entry
    {
        public RecordedWork? Work { get; set; }

        public ulong Mark { get; set; }

        public bool IsRecorded { get; set; }

        public object? Note { get; set; }

        public long LastUse { get; set; }
    }
}
