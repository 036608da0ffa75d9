using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace KFac.Kernels.Cpu;

/// <summary>Carries float32 matrices to the squares of a <see cref="PanelTriangle{T, TTile}"/>, negated and damped, and results back.</summary>
/// <remarks>A square is the part that two panels have in common; the sweep copies each when it first needs it and when it is done
/// with it, while it is in the cache.</remarks>
internal readonly unsafe struct TriangleCopy<T, TTile>(PanelTriangle<T, TTile> triangle, SweepTask task)
    where T : unmanaged, IFloatingPointIeee754<T>
    where TTile : struct, IPanelTile<T>
{
    /// <summary>From this size on, results are written past the caches: they hold no more than the triangle.</summary>
    private const int StreamingSize = 1536;

    private const int BytesInLine = 64;

    private readonly PanelTriangle<T, TTile> _triangle = triangle;
    private readonly SweepTask _task = task;
    private readonly bool _streams = task.Size >= StreamingSize
        && (nuint)task.Result % BytesInLine == 0 && task.ResultStride * sizeof(float) % BytesInLine == 0;

    /// <summary>A third of a square, a vector's elements of its columns: what is loaded or stored between tiles.</summary>
    public static int RunOfRows => Math.Max(TTile.Rows, TTile.Columns / 3);

    /// <summary>Calls for what <see cref="Load"/> reads.</summary>
    public void Fetch(int row, int column)
    {
        int end = Math.Min((row + 1) * TTile.Columns, _triangle.Size);
        for (int i = row * TTile.Columns; i < end && Sse.IsSupported; i++)
        {
            var line = (byte*)(_task.Matrix + (i * _task.MatrixStride) + (column * TTile.Columns));
            for (int offset = 0; offset < TTile.Columns * sizeof(float); offset += BytesInLine)
            {
                Sse.Prefetch1(line + offset);
            }
        }
    }

    /// <summary>Fills a square with <c>−(A + λI)</c>; padding is that of −I.</summary>
    public void Load(int row, int column)
    {
        for (int i = 0; i < TTile.Columns; i += RunOfRows)
        {
            LoadRun(row, column, i);
        }
    }

    /// <summary><see cref="Load"/> for <see cref="RunOfRows"/> of the square's rows.</summary>
    public void LoadRun(int row, int column, int firstRow)
    {
        int first = column * TTile.Columns;
        int start = (row * TTile.Columns) + firstRow;
        int end = Math.Min(start + RunOfRows, _triangle.Rows);
        T* panel = _triangle.Panel(column, start);
        for (int i = start; i < end; i++)
        {
            int columns = i < _triangle.Size ? Math.Min(TTile.Columns, i + 1 - first) : 0;
            Negate(_task.Matrix + (i * _task.MatrixStride) + first, panel, columns);
            if (columns < TTile.Columns)
            {
                new Span<T>(panel + columns, TTile.Columns - columns).Clear();
            }

            if (row == column)
            {
                panel[i - first] -= i < _triangle.Size ? T.CreateTruncating(_task.Damping) : T.One;
            }

            panel += TTile.Columns;
        }
    }

    /// <summary>Writes a square of a symmetric result to both triangles.</summary>
    public void StoreSymmetric(int row, int column)
    {
        for (int i = 0; i < TTile.Columns; i += RunOfRows)
        {
            StoreRun(row, column, i);
        }
    }

    /// <summary><see cref="StoreSymmetric"/> for <see cref="RunOfRows"/> of the square's rows.</summary>
    public void StoreRun(int row, int column, int firstRow)
    {
        long first = column * TTile.Columns;
        long start = (row * TTile.Columns) + firstRow;
        T* rows = _triangle.Panel(column, (int)start);
        int count = (int)Math.Min(RunOfRows, _triangle.Size - start);
        if (count <= 0)
        {
            return;
        }

        if (row == column)
        {
            StoreDiagonal(rows, firstRow, count, _task.Result + (start * _task.ResultStride) + first);
            return;
        }

        Copy(rows, count, _task.Result + (start * _task.ResultStride) + first);
        Transpose(rows, count, _task.Result + (first * _task.ResultStride) + start);
    }

    /// <summary>Writes the triangle, with zeros above the diagonal.</summary>
    public void StoreLower()
    {
        for (int i = 0; i < _triangle.Size; i++)
        {
            float* row = _task.Result + (i * _task.ResultStride);
            for (int panel = 0; panel * TTile.Columns <= i; panel++)
            {
                int start = panel * TTile.Columns;
                T* elements = _triangle.Panel(panel, i);
                for (int j = start; j < Math.Min(start + TTile.Columns, i + 1); j++)
                {
                    row[j] = float.CreateTruncating(elements[j - start]);
                }
            }

            new Span<float>(row + i + 1, _triangle.Size - i - 1).Clear();
        }
    }

    private static void Negate(float* values, T* negated, int columns)
    {
        int j = 0;
        if (typeof(T) == typeof(float))
        {
            for (; j + Vector<float>.Count <= columns; j += Vector<float>.Count)
            {
                (-Vector.Load(values + j)).Store((float*)negated + j);
            }
        }

        for (; j < columns; j++)
        {
            negated[j] = -T.CreateTruncating(values[j]);
        }
    }

    /// <param name="firstRow">The first of the rows in the square.</param>
    private void StoreDiagonal(T* rows, int firstRow, int count, float* corner)
    {
        for (int i = 0; i < count; i++)
        {
            for (int j = 0; j <= firstRow + i; j++)
            {
                float value = float.CreateTruncating(rows[(i * TTile.Columns) + j]);
                corner[(i * _task.ResultStride) + j] = value;
                corner[((j - firstRow) * _task.ResultStride) + firstRow + i] = value;
            }
        }
    }

    private void Copy(T* rows, int count, float* corner)
    {
        for (int i = 0; i < count; i++)
        {
            TTile.Write(rows + (i * TTile.Columns), TTile.Columns, corner + (i * _task.ResultStride), _streams);
        }
    }

    /// <summary>Writes a run of rows as columns.</summary>
    [SkipLocalsInit]
    private void Transpose(T* rows, int count, float* corner)
    {
        if (typeof(T) == typeof(float) && !_streams)
        {
            TTile.Transpose(rows, TTile.Columns, count, TTile.Columns, (T*)corner, _task.ResultStride);
            return;
        }

        T* columns = stackalloc T[(TTile.Columns * RunOfRows) + (BytesInLine / sizeof(T))];
        columns = (T*)(((nuint)columns + BytesInLine - 1) & ~(nuint)(BytesInLine - 1));
        TTile.Transpose(rows, TTile.Columns, count, TTile.Columns, columns, RunOfRows);
        for (int j = 0; j < TTile.Columns; j++)
        {
            TTile.Write(columns + (j * RunOfRows), count, corner + (j * _task.ResultStride), _streams);
        }
    }
}
