namespace KFac.Kernels.Cpu;

/// <summary>The steps of an axis that an element of the kernel meets: those that all elements of its phase meet, and what comes before and after.</summary>
internal readonly record struct WindowParts(int Phase, StepRange Core, StepRange Before, StepRange After)
{
    /// <param name="parts">One for every element of the kernel.</param>
    public static void Fill(ConvolutionAxis axis, Span<WindowParts> parts)
    {
        for (int a = 0; a < axis.Kernel; a++)
        {
            int phase = axis.Phase(a);
            axis.Core(0, phase, out StepRange core);
            (StepRange before, StepRange after) = axis.Window(a, 0).Without(core);
            parts[a] = new WindowParts(phase, core, before, after);
        }
    }
}
