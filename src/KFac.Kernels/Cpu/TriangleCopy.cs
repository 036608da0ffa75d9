using System.Numerics;

namespace KFac.Kernels.Cpu;

/// <summary>Carries float32 matrices to the squares of a <see cref="PanelTriangle{T, TTile}"/>, negated and damped, and results back.</summary>
/// <remarks>A square is the part that two panels have in common; the sweep copies each when it first needs it and when it is done
/// with it, while it is in the cache.</remarks>
internal readonly unsafe struct TriangleCopy<T, TTile>(PanelTriangle<T, TTile> triangle, SweepTask task)
    where T : unmanaged, IFloatingPointIeee754<T>
    where TTile : struct, IPanelTile<T>
{
    private readonly PanelTriangle<T, TTile> _triangle = triangle;
    private readonly SweepTask _task = task;

    /// <summary>Fills a square with <c>−(A + λI)</c>; padding is that of −I.</summary>
    public void Load(int row, int column)
    {
        int first = column * TTile.Columns;
        int start = row * TTile.Columns;
        int end = Math.Min(start + TTile.Columns, _triangle.Rows);
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
        long first = column * TTile.Columns;
        long start = row * TTile.Columns;
        T* square = _triangle.Panel(column, row * TTile.Columns);
        int rows = (int)Math.Min(TTile.Columns, _triangle.Size - start);
        if (row == column)
        {
            StoreDiagonal(square, rows, _task.Result + (start * _task.ResultStride) + start);
            return;
        }

        Copy(square, rows, _task.Result + (start * _task.ResultStride) + first);
        Transpose(square, rows, _task.Result + (first * _task.ResultStride) + start);
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

    private void StoreDiagonal(T* square, int rows, float* corner)
    {
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                float value = float.CreateTruncating(square[(i * TTile.Columns) + j]);
                corner[(i * _task.ResultStride) + j] = value;
                corner[(j * _task.ResultStride) + i] = value;
            }
        }
    }

    private void Copy(T* square, int rows, float* corner)
    {
        for (int i = 0; i < rows; i++)
        {
            T* values = square + (i * TTile.Columns);
            float* row = corner + (i * _task.ResultStride);
            if (typeof(T) == typeof(float))
            {
                new ReadOnlySpan<float>(values, TTile.Columns).CopyTo(new Span<float>(row, TTile.Columns));
                continue;
            }

            for (int j = 0; j < TTile.Columns; j++)
            {
                row[j] = float.CreateTruncating(values[j]);
            }
        }
    }

    private void Transpose(T* square, int rows, float* corner)
    {
        if (typeof(T) == typeof(float))
        {
            TTile.Transpose(square, TTile.Columns, rows, TTile.Columns, (T*)corner, _task.ResultStride);
            return;
        }

        for (int j = 0; j < TTile.Columns; j++)
        {
            for (int i = 0; i < rows; i++)
            {
                corner[(j * _task.ResultStride) + i] = float.CreateTruncating(square[(i * TTile.Columns) + j]);
            }
        }
    }
}
