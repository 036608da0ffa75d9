namespace KFac.Kernels;

/// <summary>One axis of a convolution: which pixels a kernel element meets as the kernel moves.</summary>
/// <remarks>
/// Kernel element a meets pixel <c>o·stride + a·dilation − padding</c> at output o. Pixels are counted by phase,
/// <c>pixel = step·stride + phase</c>, so that elements of the same phase meet ranges of steps.
/// </remarks>
internal readonly record struct ConvolutionAxis(int Size, int Kernel, int Stride, int Padding, int Dilation, int Outputs)
{
    /// <summary>Phase of the pixels that kernel element <paramref name="a"/> meets.</summary>
    public int Phase(int a) => Offset(a) - (FloorDivide(Offset(a)) * Stride);

    /// <summary>The steps at which both <paramref name="a"/> and <paramref name="a"/> + <paramref name="lag"/> meet pixels, not padding.</summary>
    public StepRange Window(int a, int lag)
    {
        int low = Math.Min(Offset(a), Offset(a + lag));
        int high = Math.Max(Offset(a), Offset(a + lag));
        int first = Math.Max(0, -FloorDivide(low));
        int end = Math.Min(Outputs, FloorDivide(Size - 1 - high) + 1);
        return new StepRange(first, end).Move(FloorDivide(Offset(a)));
    }

    /// <summary>Whether a and a + lag are both elements of the kernel, and a has the phase.</summary>
    public bool IsMember(int a, int lag, int phase) => a + lag >= 0 && a + lag < Kernel && Phase(a) == phase;

    /// <summary>The steps that every member's window has; false when there is no member.</summary>
    public bool Core(int lag, int phase, out StepRange core)
    {
        bool any = false;
        core = default;
        for (int a = 0; a < Kernel; a++)
        {
            if (IsMember(a, lag, phase))
            {
                StepRange window = Window(a, lag);
                core = any ? core.Intersect(window) : window;
                any = true;
            }
        }

        return any;
    }

    /// <summary><see cref="Window"/> of a member; empty where there is none.</summary>
    public StepRange MemberWindow(int a, int lag, int phase) => IsMember(a, lag, phase) ? Window(a, lag) : default;

    /// <summary>Where the members' windows begin and end, ascending: between two cuts a window has all steps or none.</summary>
    /// <param name="cuts">Two for every element of the kernel.</param>
    /// <returns>How many there are; 0 when no window has a step.</returns>
    public int Cuts(int lag, int phase, Span<int> cuts)
    {
        int count = 0;
        for (int a = 0; a < Kernel; a++)
        {
            StepRange window = MemberWindow(a, lag, phase);
            if (window.Count > 0)
            {
                count = Include(window.End, cuts, Include(window.Start, cuts, count));
            }
        }

        cuts[..count].Sort();
        return count;
    }

    private static int Include(int cut, Span<int> cuts, int count)
    {
        if (cuts[..count].Contains(cut))
        {
            return count;
        }

        cuts[count] = cut;
        return count + 1;
    }

    /// <summary>Pixel of kernel element <paramref name="a"/> at the first output.</summary>
    private int Offset(int a) => (a * Dilation) - Padding;

    private int FloorDivide(int value) => (int)Math.Floor((double)value / Stride);
}

/// <summary>Steps from <see cref="Start"/> to before <see cref="End"/>; none where these are not in order.</summary>
internal readonly record struct StepRange(int Start, int End)
{
    public int Count => Math.Max(0, End - Start);

    public StepRange Move(int steps) => new(Start + steps, End + steps);

    public StepRange Intersect(StepRange other) => new(Math.Max(Start, other.Start), Math.Min(End, other.End));

    /// <summary>This range without <paramref name="core"/>, which lies inside it or is empty: what comes before and after.</summary>
    public (StepRange Before, StepRange After) Without(StepRange core) =>
        core.Count == 0 ? (this, default) : (new StepRange(Start, core.Start), new StepRange(core.End, End));
}
