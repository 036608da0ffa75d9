namespace KFac.Kernels.Cpu;

/// <summary>Taps of a line of the kernel, side by side, that meet pixels at the same positions of a tile, and at the others padding.</summary>
/// <param name="Tap">The first.</param>
/// <param name="Taps">How many.</param>
/// <param name="First">First position.</param>
/// <param name="Rows">Positions.</param>
internal readonly record struct TapRun(int Tap, int Taps, int First, int Rows)
{
    public bool IsWhole(int rows) => Taps > 0 && Rows == rows;

    /// <summary>Finds the runs of a tile, one that covers all positions first if there is one; those without taps come last.</summary>
    /// <param name="x">The tile's first position.</param>
    public static void Fill(in PatchGrid grid, int x, int rows, Span<TapRun> runs)
    {
        runs.Clear();
        int count = 0;
        for (int tap = 0; tap < grid.Across.Count; tap++)
        {
            StepRange met = Met(grid, tap, x, rows);
            if (met.Count == 0)
            {
                continue;
            }

            TapRun last = count == 0 ? default : runs[count - 1];
            bool continues = grid.TapsAreAdjacent && last.Tap + last.Taps == tap && last.First == met.Start && last.Rows == met.Count;
            if (continues)
            {
                runs[count - 1] = last with { Taps = last.Taps + 1 };
            }
            else
            {
                runs[count++] = new TapRun(tap, 1, met.Start, met.Count);
            }
        }

        for (int i = 1; i < count; i++)
        {
            if (runs[i].Rows > runs[0].Rows)
            {
                (runs[0], runs[i]) = (runs[i], runs[0]);
            }
        }
    }

    /// <summary>Positions of a tile at which a tap meets a pixel.</summary>
    public static StepRange Met(in PatchGrid grid, int tap, int x, int rows)
    {
        int pixel = (x * grid.Step) + grid.Across.Offset + (tap * grid.Across.Spacing);
        int first = pixel >= 0 ? 0 : (grid.Step - 1 - pixel) / grid.Step;
        int end = pixel >= grid.SourceWidth ? 0 : ((grid.SourceWidth - 1 - pixel) / grid.Step) + 1;
        return new StepRange(first, Math.Min(end, rows));
    }
}
