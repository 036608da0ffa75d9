namespace KFac.Kernels.Cpu;

/// <summary>An axis cut where the windows of kernel elements begin and end: an element meets some intervals between cuts, whole.</summary>
/// <remarks>Elements are sorted by phase; each phase has cuts of its own.</remarks>
internal readonly unsafe struct WindowCuts
{
    private readonly int* _cuts;
    private readonly Phase* _phases;
    private readonly Member* _members;

    /// <param name="memory"><see cref="Bytes"/> bytes.</param>
    public WindowCuts(ConvolutionAxis axis, byte* memory)
    {
        _phases = (Phase*)memory;
        _members = (Member*)(_phases + axis.Kernel);
        _cuts = (int*)(_members + axis.Kernel);
        var all = new Span<int>(_cuts, 2 * axis.Kernel);
        int used = 0;
        for (int a = 0; a < axis.Kernel; a++)
        {
            int phase = axis.Phase(a);
            int index = IndexOf(phase);
            if (index == Phases)
            {
                int count = axis.Cuts(0, phase, all[used..]);
                _phases[Phases++] = new Phase(phase, used, count);
                used += count;
            }

            StepRange window = axis.Window(a, 0);
            ReadOnlySpan<int> cuts = all.Slice(_phases[index].First, _phases[index].Count);
            _members[a] = window.Count == 0 ? new Member(index, 0, 0) : new Member(index, cuts.IndexOf(window.Start), cuts.IndexOf(window.End));
        }
    }

    public int Phases { get; }

    /// <summary>Intervals of the phase that has most.</summary>
    public int MostIntervals
    {
        get
        {
            int most = 0;
            for (int phase = 0; phase < Phases; phase++)
            {
                most = Math.Max(most, Intervals(phase));
            }

            return most;
        }
    }

    public static long Bytes(ConvolutionAxis axis) => axis.Kernel * ((long)sizeof(Phase) + sizeof(Member) + (2 * sizeof(int)));

    /// <summary>First pixel of a phase.</summary>
    public int FirstPixel(int phase) => _phases[phase].Pixel;

    public int Intervals(int phase) => Math.Max(0, _phases[phase].Count - 1);

    /// <summary>Steps of an interval of a phase.</summary>
    public StepRange Interval(int phase, int interval)
    {
        int* cut = _cuts + _phases[phase].First + interval;
        return new StepRange(cut[0], cut[1]);
    }

    /// <summary>The intervals that a kernel element meets; false where it is of another phase.</summary>
    public bool Meets(int element, int phase, out StepRange intervals)
    {
        Member member = _members[element];
        intervals = new StepRange(member.First, member.End);
        return member.Phase == phase;
    }

    private int IndexOf(int phase)
    {
        int index = 0;
        while (index < Phases && _phases[index].Pixel != phase)
        {
            index++;
        }

        return index;
    }

    private readonly record struct Phase(int Pixel, int First, int Count);

    private readonly record struct Member(int Phase, int First, int End);
}
